import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const bootIdPath = '/proc/sys/kernel/random/boot_id';

/** Names this run of the host's kernel; null where the host does not tell, and then no two runs are known to be the same. */
export function hostBoot(): string | null {
  try {
    return readFileSync(bootIdPath, 'utf8').trim();
  } catch {
    return null;
  }
}

/**
 * Removes these files of the directory unless they were written under this run of the host. What a process wrote outlives
 * the process in the kernel's memory; what the host did with it when it crashed, nobody knows without waiting for the disk
 * at every write.
 */
export function dropAfterHostRestart(directory: string, files: readonly string[], boot: string | null): void {
  const marker = join(directory, 'boot');
  if (boot !== null && existsSync(marker) && readFileSync(marker, 'utf8') === boot) return;
  for (const file of files) rmSync(join(directory, file), { force: true });
  // Last: whoever finds the marker knows that the older files are gone.
  if (boot !== null) writeFileSync(marker, boot, { flush: true });
}
