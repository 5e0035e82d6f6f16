import type { RecipientKind } from '@entente/contracts';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { connectorName, type ConnectorName } from './connector-name.ts';
import { registrations } from './registrations.ts';

/** What a partner of each kind is written with. An ad partner never gets a raw address (SEAL-1). */
const shapeOf = {
  crm: { identifier: 'email', example: '`${name}@example.org`' },
  analytics: { identifier: 'subject-id', example: 'name' },
  'ad-partner': { identifier: 'subject-id', example: 'name' },
} as const satisfies Record<RecipientKind, object>;

/** Why a connector was not written; nothing has been changed. */
export class CannotScaffold extends Error {
  override readonly name = 'CannotScaffold';
}

export interface NewConnector {
  /** The repository. */
  readonly root: string;
  readonly name: string;
  readonly kind: RecipientKind;
}

interface PlannedFile {
  /** Relative to the repository. */
  readonly path: string;
  readonly text: string;
}

/**
 * Writes a connector that works as it stands, with a contract server for an API of the scaffold's own, and lists both.
 * Everything is judged before the first file is written.
 * @returns the files written or changed, relative to the repository
 */
export async function newConnector({ root, name: given, kind }: NewConnector): Promise<readonly string[]> {
  const name = connectorName(given);
  if ('fault' in name) throw new CannotScaffold(name.fault);
  const service = `${kind}-connector`;
  const folder = `services/${service}/src/partners/${name.kebab}`;
  const serverFolder = `test/partners/src/${name.kebab}`;
  await refuseTaken(root, name, [folder, serverFolder]);

  const fill = filler(name, kind);
  const files = [
    ...(await filled(join(root, 'deploy/local/templates/connector/partner'), folder, fill)),
    ...(await filled(join(root, 'deploy/local/templates/connector/server'), serverFolder, fill)),
    ...(await listed(root, service, name)),
  ];
  for (const { path, text } of files) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  const written = files.map(({ path }) => path);
  // Line breaks depend on the length of the name.
  const prettier = join(root, 'node_modules/prettier/bin/prettier.cjs');
  await promisify(execFile)(process.execPath, [prettier, '--write', '--log-level', 'warn', ...written], { cwd: root });
  return written;
}

async function refuseTaken(root: string, { kebab }: ConnectorName, folders: readonly string[]): Promise<void> {
  for (const folder of folders)
    if (existsSync(join(root, folder))) throw new CannotScaffold(`${folder} exists already; take another name`);
  const names = await readFile(join(root, 'test/partners/src/partner.ts'), 'utf8');
  if (names.includes(`'${kebab}'`))
    throw new CannotScaffold(`there is a partner "${kebab}" already; take another name`);
}

type Fill = (text: string) => string;

function filler({ kebab, camel, pascal }: ConnectorName, kind: RecipientKind): Fill {
  const { identifier, example } = shapeOf[kind];
  const values: Readonly<Record<string, string>> = {
    NAME: kebab,
    CAMEL: camel,
    PASCAL: pascal,
    KIND: kind,
    IDENTIFIER: identifier,
    EXAMPLE: example,
  };
  return (text) => text.replace(/__([A-Z]+)__/g, (token, key: string) => values[key] ?? token);
}

async function filled(from: string, to: string, fill: Fill): Promise<PlannedFile[]> {
  const templates = (await readdir(from)).filter((file) => file.endsWith('.template')).sort();
  return Promise.all(
    templates.map(async (file) => ({
      path: `${to}/${fill(file.replace(/\.template$/, ''))}`,
      text: fill(await readFile(join(from, file), 'utf8')),
    })),
  );
}

async function listed(root: string, service: string, name: ConnectorName): Promise<PlannedFile[]> {
  return Promise.all(
    registrations(service, name).map(async ({ path, edit }) => {
      const text = await readFile(join(root, path), 'utf8');
      try {
        return { path, text: edit(text) };
      } catch (cause) {
        throw new CannotScaffold(
          `${path} cannot be extended: it ${cause instanceof RangeError ? cause.message : 'is unreadable'}`,
          { cause },
        );
      }
    }),
  );
}
