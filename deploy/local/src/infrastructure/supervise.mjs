/**
 * Runs the native servers for one parent and outlives it by seconds only. The parent holds the IPC channel; when that
 * closes, however the parent ended (SIGKILL included), every server is stopped and the run directory is removed.
 *
 * Usage: node supervise.mjs <run directory>
 * In:  {do:'run', id, command, args, log, cwd?, env?, uid?, gid?, stop, abandon} | {do:'signal', id, signal} | {do:'finish'}
 * Out: {say:'ready'} | {say:'running', id, pid} | {say:'failed', id, why} | {say:'exited', id, code, signal}
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { chmod, mkdir, rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

const [runDirectory, access] = process.argv.slice(2);
/** What a server gets to stop in order before SIGKILL; a kept data directory is worth the wait. */
const graceMs = 10_000;
/** The same when nobody waits for its data any more. */
const abandonedGraceMs = 3_000;
const servers = new Map();
let ending = false;

const tell = (message) => {
  if (process.connected) process.send(message, () => {});
};

function run({ id, command, args, log, cwd, env, uid, gid, stop, abandon }) {
  if (ending) return;
  const output = openSync(log, 'a', 0o644);
  // Its own process group: Ctrl-C in the terminal reaches the parent alone, and SIGKILL takes the whole group.
  const child = spawn(command, args, { cwd, env, uid, gid, detached: true, stdio: ['ignore', output, output] });
  closeSync(output);
  const gone = new Promise((resolve) => {
    child.once('error', (error) => {
      if (child.pid !== undefined) return;
      tell({ say: 'failed', id, why: error.message });
      resolve();
    });
    child.once('exit', (code, signal) => {
      servers.delete(id);
      tell({ say: 'exited', id, code, signal });
      resolve();
    });
  });
  if (child.pid === undefined) return;
  servers.set(id, { pid: child.pid, gone, stop, abandon });
  tell({ say: 'running', id, pid: child.pid });
}

function signal(server, name) {
  try {
    process.kill(name === 'SIGKILL' ? -server.pid : server.pid, name);
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

async function end(how, grace) {
  if (ending) return;
  ending = true;
  await Promise.all(
    [...servers.values()].map(async (server) => {
      // A stopped process (SIGSTOP) would sleep through its own end.
      signal(server, 'SIGCONT');
      signal(server, server[how]);
      await Promise.race([server.gone, pause(grace, undefined, { ref: false })]);
      signal(server, 'SIGKILL');
      await server.gone;
    }),
  );
  await rm(runDirectory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  process.exit(0);
}

process.on('disconnect', () => end('abandon', abandonedGraceMs));
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => end('abandon', abandonedGraceMs));
process.on('message', (message) => {
  if (message.do === 'run') run(message);
  else if (message.do === 'signal' && servers.has(message.id)) signal(servers.get(message.id), message.signal);
  else if (message.do === 'finish') void end('stop', graceMs);
});

await mkdir(runDirectory, { recursive: true });
// Whatever our umask: Postgres may run as another user, and must reach its directory in here; nobody else anything.
await chmod(runDirectory, access === 'shared' ? 0o755 : 0o700);
if (process.connected) tell({ say: 'ready' });
else void end('abandon', abandonedGraceMs);
