import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** SQLite's code for "another connection holds the lock". */
const sqliteBusy = 5;

/**
 * GATE-6's exclusive file lock on the local store. Node has no flock; SQLite, which Node carries, takes real fcntl locks,
 * so an open `BEGIN EXCLUSIVE` on an empty file is a lock that the kernel frees at the very end of the process, kill -9
 * included, and never before: a stopped process keeps it. A pid file would need a liveness check that pid reuse, another
 * pid namespace or two simultaneous heirs defeat; a socket file must be unlinked by its heir, and two heirs can both do so.
 * It binds processes of one host (or of a shared volume whose file system honours fcntl locks).
 */
export class DirectoryLock {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #inode: bigint;

  private constructor(database: DatabaseSync, path: string) {
    this.#database = database;
    this.#path = path;
    this.#inode = statSync(path, { bigint: true }).ino;
  }

  /** Null while another holder, in this process or another, is alive. */
  static tryAcquire(directory: string): DirectoryLock | null {
    mkdirSync(directory, { recursive: true });
    const path = join(directory, 'gate.lock');
    const database = new DatabaseSync(path, { timeout: 0 });
    try {
      database.exec('PRAGMA journal_mode = MEMORY');
      database.exec('BEGIN EXCLUSIVE');
      const lock = new DirectoryLock(database, path);
      if (lock.stillOurs()) return lock;
      lock.release();
      return null;
    } catch (err) {
      database.close();
      if (typeof err === 'object' && err !== null && 'errcode' in err && err.errcode === sqliteBusy) return null;
      throw err;
    }
  }

  /** False when the directory was removed or replaced under us: then our lock excludes nobody, and the store is lost. */
  stillOurs(): boolean {
    return statSync(this.#path, { bigint: true, throwIfNoEntry: false })?.ino === this.#inode;
  }

  release(): void {
    this.#database.close();
  }
}
