/** What a subject's vector says of one purpose, as far as sending goes; an absent purpose denies. */
export interface PurposeView {
  readonly granted: boolean;
  /** The grant ends by itself at this instant, translated to the harness's clock. */
  readonly validUntil?: number;
  /** Recipients the accepted notice names, without those the person refused. Absent = every recipient. */
  readonly recipients?: readonly string[];
}
export type Vector = Readonly<Record<string, PurposeView>>;

/** Every event: what, and when. */
export interface At<Kind extends string> {
  readonly kind: Kind;
  readonly at: number;
}
export interface OfSubject {
  readonly controller: string;
  readonly subject: string;
}
export interface OfRecipient extends OfSubject {
  readonly recipient: string;
}
export interface InLog {
  readonly topic: string;
  readonly partition: number;
}
