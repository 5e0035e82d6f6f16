import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { InfrastructureError } from './infrastructure.ts';

const execute = promisify(execFile);

export interface UnixUser {
  name: string;
  uid: number;
  gid: number;
}

/** PostgreSQL refuses to run as root. As root this names the user it runs as instead; undefined means: as ourselves. */
export async function postgresUser(): Promise<UnixUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const user = await lookUp(name);
    if (user) return user;
  }
  throw new InfrastructureError(
    'PostgreSQL does not run as root and there is no user postgres or nobody: add one, or set DATABASE_URL',
  );
}

async function lookUp(name: string): Promise<UnixUser | undefined> {
  try {
    const [uid, gid] = await Promise.all(
      ['-u', '-g'].map(async (flag) => Number((await execute('id', [flag, name])).stdout)),
    );
    return uid === undefined || gid === undefined || uid === 0 ? undefined : { name, uid, gid };
  } catch {
    return undefined;
  }
}
