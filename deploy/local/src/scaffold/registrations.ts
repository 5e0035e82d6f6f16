import type { ConnectorName } from './connector-name.ts';

/** One file that must know a new partner. Paths are relative to the repository. */
export interface Registration {
  readonly path: string;
  /** @throws RangeError when the file no longer looks as it did */
  readonly edit: (text: string) => string;
}

/** Puts `added` right after the first `anchor`. */
function after(text: string, anchor: string, added: string): string {
  const at = text.indexOf(anchor);
  if (at < 0) throw new RangeError(`has no "${anchor.trim()}"`);
  return text.slice(0, at + anchor.length) + added + text.slice(at + anchor.length);
}

/** Where a partner is listed: its service, and the contract servers. */
export const registrations = (service: string, { kebab, camel }: ConnectorName): readonly Registration[] => [
  {
    path: `services/${service}/src/partners/index.ts`,
    edit: (text) => `${text.trimEnd()}\nexport { ${camel} } from './${kebab}/definition.ts';\n`.trimStart(),
  },
  {
    path: 'test/partners/src/partner.ts',
    edit: (text) => after(text, 'export const partnerNames = [\n', `  '${kebab}',\n`),
  },
  {
    path: 'test/partners/src/start.ts',
    edit: (text) =>
      after(
        `import { ${camel} } from './${kebab}/${kebab}.ts';\n${text}`,
        '(options: ContractServerOptions) => Partner>> = {\n',
        kebab === camel ? `  ${camel},\n` : `  '${kebab}': ${camel},\n`,
      ),
  },
];
