import { execFile } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/**
 * From here on these processes can write to no file beyond so many bytes (RLIMIT_FSIZE): what a full disk is to whoever needs
 * room, for them alone. Null takes the limit away. A process that is gone meanwhile needs none.
 */
export async function limitFiles(pids: readonly number[], bytes: number | null): Promise<void> {
  for (const pid of pids)
    try {
      // Its owner may do that to it; root often may not.
      const { uid, gid } = await stat(`/proc/${pid}`);
      await execute('prlimit', ['--pid', String(pid), `--fsize=${bytes ?? 'unlimited'}:`], { uid, gid });
    } catch (error) {
      const { code, stderr = '' } = error as { readonly code?: string; readonly stderr?: string };
      if (code !== 'ENOENT' && !stderr.includes('No such process')) throw error;
    }
}

/** Whether that can be done here: `prlimit` is of util-linux, and only Linux has the call. */
export async function canLimitFiles(): Promise<boolean> {
  return execute('prlimit', ['--version']).then(
    () => true,
    () => false,
  );
}

/** A process and the children it has now. */
export async function familyOf(pid: number): Promise<number[]> {
  const parents = await Promise.all(
    (await readdir('/proc'))
      .filter((name) => /^\d+$/.test(name))
      .map(async (name) => [Number(name), await parentOf(name)] as const),
  );
  return [pid, ...parents.filter(([, parent]) => parent === pid).map(([child]) => child)];
}

/** Undefined for one that is gone. */
async function parentOf(pid: string): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const parent = /^PPid:\s+(\d+)/m.exec(status)?.[1];
  return parent === undefined ? undefined : Number(parent);
}
