/** Which faults the partners of a local stack have now. */
export interface DemoView {
  readonly switches: readonly string[];
  readonly partners: readonly {
    readonly recipient: string;
    readonly on: readonly string[];
    readonly reimports: boolean;
  }[];
}
