/** Somebody who may sign in on this machine. */
export interface IssuerPerson {
  readonly id: string;
  readonly name: string;
  readonly password: string;
  readonly roles: readonly string[];
}
