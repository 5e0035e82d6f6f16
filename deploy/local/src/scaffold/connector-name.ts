/** The spellings of a partner's name that its files need. */
export interface ConnectorName {
  /** `acme-crm`: folder, partner, contract server. */
  readonly kebab: string;
  /** `acmeCrm` */
  readonly camel: string;
  /** `AcmeCrm` */
  readonly pascal: string;
}

const longest = 40;
const wellFormed = /^[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*$/;

/** Words that cannot name a constant, and names that the generated or edited files use already. */
const taken: ReadonlySet<string> = new Set(
  (
    'arguments async await break case catch class const continue debugger default delete do else enum eval export extends ' +
    'false finally for function if implements import in index instanceof interface let new null package partners private ' +
    'protected public return static super switch this throw true try typeof undefined var void while with yield ' +
    'answer consents definition filled judged lie list operations people problem purposes record scope serve settings state ' +
    'status text token'
  ).split(' '),
);

/** The name, or what is wrong with it in words. */
export function connectorName(given: string): ConnectorName | { readonly fault: string } {
  if (!wellFormed.test(given))
    return {
      fault: `"${given}" is no name for a partner: lower-case words of letters and digits, each beginning with a letter, joined by dashes (acme-crm)`,
    };
  if (given.length > longest) return { fault: `"${given}" is longer than ${longest} characters` };
  if (taken.has(given)) return { fault: `"${given}" means something else in the code already; take another name` };
  const words = given.split('-');
  const pascal = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
  return { kebab: given, camel: pascal.charAt(0).toLowerCase() + pascal.slice(1), pascal };
}
