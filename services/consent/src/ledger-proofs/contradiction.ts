/** The ledger in the database is not a continuation of what was signed and published. A person must look; nothing is signed. */
export class LedgerContradiction extends Error {
  override readonly name = 'LedgerContradiction';
}
