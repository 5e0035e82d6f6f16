import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

export interface ComposeService {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly profiles: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly read_only?: boolean;
  readonly build?: {
    readonly dockerfile: string;
    readonly target: string;
    readonly args?: Readonly<Record<string, string>>;
  };
}

export interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

/** `${NAME:-default}`, the one form of interpolation the file uses. */
const variable = /\$\{([A-Z0-9_]+):-([^}]*)\}/g;

/** Every `${NAME:-default}` of the text, as often as it stands there. */
export const variablesOf = (text: string): { name: string; standard: string }[] =>
  [...text.matchAll(variable)].map(([, name = '', standard = '']) => ({ name, standard }));

/** The file as a compose client understands it when no .env is there: anchors merged, defaults put in. */
export function readCompose(file: string): ComposeFile {
  const parsed: unknown = parse(readFileSync(file, 'utf8'), { merge: true });
  return interpolated(parsed) as ComposeFile;
}

function interpolated(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(variable, (_, _name, standard: string) => standard);
  if (Array.isArray(value)) return value.map(interpolated);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, interpolated(item)]));
}
