/** What stands in the way of a restore, for the person who runs it. Nothing was opened. */
export class RestoreRefused extends Error {
  override readonly name = 'RestoreRefused';
}
