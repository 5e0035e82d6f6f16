export interface SessionView {
  readonly name: string;
  readonly role: 'viewer' | 'operator' | 'admin';
  readonly controller: string;
  readonly endsAt: string;
  /** A local stack whose partners can be broken on purpose. */
  readonly demo: boolean;
}
