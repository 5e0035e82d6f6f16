import { idPattern } from '@entente/contracts';

const isName = new RegExp(idPattern.name, 'u');

/** A purpose as a reason may show it: what is no name at all may be anything of the file, a person's address too. */
export const shownPurpose = (name: string): string => (isName.test(name) ? name : 'a purpose');

/** What another system calls our purposes. A name that is not listed stands for itself. */
export class PurposeNames {
  readonly #listed: ReadonlyMap<string, string>;

  constructor(listed: Readonly<Record<string, string>>) {
    this.#listed = new Map(Object.entries(listed));
  }

  of(name: string): string {
    return this.#listed.get(name) ?? name;
  }

  /** The first of these that is listed, or could be a name of ours as it is. */
  find(names: readonly unknown[]): string | undefined {
    const texts = names.filter((name) => typeof name === 'string').map((name) => name.trim());
    const listed = texts.find((name) => this.#listed.has(name));
    return listed === undefined ? texts.find((name) => isName.test(name)) : this.#listed.get(listed);
  }
}
