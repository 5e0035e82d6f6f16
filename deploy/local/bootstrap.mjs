#!/usr/bin/env node
/**
 * Makes every command work on a fresh clone: installs the lockfile's packages when they are missing or have changed,
 * finds Node 24, compiles what changed, and runs the command under it. Runs on Node 18 and newer, with nothing installed.
 *
 *   node deploy/local/bootstrap.mjs <entente command> [arguments]   the CLI: demo, dev, doctor, withdraw …
 *   node deploy/local/bootstrap.mjs --check                         format, lint, types, boundaries, unused code, unit tests
 *   node deploy/local/bootstrap.mjs --test [jest arguments]         unit, integration and end-to-end tests
 *   node deploy/local/bootstrap.mjs --interop [jest arguments]      tests that need programs of the system: a browser, promtool
 *   node deploy/local/bootstrap.mjs --run [node options] FILE …     a program of the repository: benchmarks, simulation
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { clearInterval, setInterval } from 'node:timers';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[/\\]$/, '');
const inRoot = (...parts) => join(root, ...parts);
/** `engines` in package.json: Jest 30 runs ES modules of Nest 12 from 24.9 on. */
const oldestNode = [24, 9];
/** How often a silent installation says that it is still at work. */
const stillInstallingMs = 5_000;
/** How often the command that prepares the clone shows that it lives. */
const lockBeatMs = 1_000;
/** How often it is looked whether npm is still there. */
const starterLookMs = 500;

const say = (line) => process.stderr.write(`${line}\n`);
const readJson = (file) => JSON.parse(readFileSync(file, 'utf8'));
const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`;

class CannotStart extends Error {}

/** What runs now and has to hear of a signal; each its own process group, so that Ctrl-C reaches it once, through us. */
const running = new Set();
let stopping;
let lastInterrupt = -Infinity;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    // The terminal sends SIGINT to npm and to us, and npm hands it on: one key, two signals.
    const again = signal === 'SIGINT' && performance.now() - lastInterrupt < 500;
    if (signal === 'SIGINT') lastInterrupt = performance.now();
    stopping = signal;
    if (!again) for (const child of running) child.kill(signal);
  });
}

/**
 * Ends what runs when npm is gone: of its death by SIGKILL nobody is told, and a shell between npm and us keeps other
 * signals to itself. Only where npm runs this very file, for then our parent is npm, or npm's shell, and lives as long as
 * the command is wanted. Any other parent's end says nothing: a shell that started us may be left on purpose.
 */
function endWithNpm() {
  if (!process.env.npm_lifecycle_script?.includes('deploy/local/bootstrap.mjs')) return;
  const starter = process.ppid;
  const looking = setInterval(() => {
    if (process.ppid === starter) return;
    clearInterval(looking);
    if (stopping) return;
    stopping = 'SIGTERM';
    for (const child of running) {
      child.kill('SIGTERM');
      if (child.connected) child.disconnect();
    }
  }, starterLookMs);
  looking.unref();
}

const exitCodeOf = (signal) => ({ SIGHUP: 129, SIGINT: 130, SIGKILL: 137, SIGTERM: 143 })[signal] ?? 1;

/** Runs a program to its end and gives its exit code; a signal counts as 128 + its number. */
function run(command, args, { cwd = root, env = childEnvironment(), stdio = ['ignore', 2, 2] } = {}) {
  if (stopping) return Promise.resolve(exitCodeOf(stopping));
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio, detached: process.platform !== 'win32' });
    running.add(child);
    child.once('error', (error) => {
      running.delete(child);
      reject(new CannotStart(`${command} could not be started (${error.message})`));
    });
    child.once('close', (code, signal) => {
      running.delete(child);
      resolve(code ?? exitCodeOf(signal));
    });
  });
}

/** What V8 made of the packages and of our files is kept for the next process: a service starts with a third less work. */
const compiledCode = inRoot('.entente', 'compiled');

function childEnvironment(more = {}) {
  return {
    ...process.env,
    PATH: `${inRoot('node_modules', '.bin')}${delimiter}${process.env.PATH ?? ''}`,
    NODE_COMPILE_CACHE: compiledCode,
    ...more,
  };
}

/** True if what npm noted about node_modules is what the lockfile asks for. */
function holdsTheLockedPackages() {
  const installed = inRoot('node_modules', '.package-lock.json');
  if (!existsSync(installed)) return false;
  const have = readJson(installed).packages;
  return Object.entries(readJson(inRoot('package-lock.json')).packages).every(([path, wanted]) => {
    if (!path.startsWith('node_modules/')) return true;
    // Optional packages of other platforms are in the lockfile and rightly not installed.
    if (have[path] === undefined)
      return wanted.optional === true || wanted.devOptional === true || wanted.peer === true;
    return have[path].version === wanted.version;
  });
}

async function install() {
  const stamp = inRoot('node_modules', '.entente-lock');
  const lock = createHash('sha256')
    .update(readFileSync(inRoot('package-lock.json')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  if (!holdsTheLockedPackages()) {
    const started = performance.now();
    say('installing the packages of package-lock.json (npm ci --ignore-scripts)');
    const still = setInterval(() => say(`  still installing, ${seconds(started)}`), stillInstallingMs);
    const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    // Started by npm: the same npm. Else the one on PATH.
    const npm = process.env.npm_execpath;
    const viaNode = npm !== undefined && /\bnpm-cli\.c?js$/.test(npm);
    try {
      const code = await run(viaNode ? process.execPath : 'npm', viaNode ? [npm, ...args] : args);
      if (stopping) return;
      if (code !== 0) throw new CannotStart(`npm ci ended with code ${code}; its own message stands above`);
    } finally {
      clearInterval(still);
    }
    say(`packages installed in ${seconds(started)}`);
  }
  writeFileSync(stamp, lock);
}

const isNewEnough = (version) => {
  const [major, minor] = version.replace(/^v/, '').split('.').map(Number);
  return major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
};

/** This Node if it is new enough, else the one that the lockfile brings for Linux. */
function findNode() {
  if (isNewEnough(process.versions.node)) return process.execPath;
  const packaged = inRoot('node_modules', '.bin', 'node');
  const answer = existsSync(packaged) ? spawnSync(packaged, ['--version'], { encoding: 'utf8' }) : undefined;
  if (answer?.status === 0 && isNewEnough(answer.stdout.trim())) return packaged;
  throw new CannotStart(
    `Node ${oldestNode.join('.')} or newer is needed, this is ${process.versions.node}, and none is packaged for ` +
      `${process.platform}-${process.arch}: install Node 24 (https://nodejs.org, or: nvm install 24) and run the command again`,
  );
}

/** Two commands on one fresh clone: one installs and compiles, the other waits for it. */
async function alone(work) {
  const lock = inRoot('.entente', 'preparing');
  mkdirSync(inRoot('.entente'), { recursive: true });
  for (let waited = false; !takeLock(lock); waited = true) {
    if (stopping) return;
    if (!waited) say('another command installs or compiles in this clone; waiting for it, for seconds');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const beat = setInterval(() => existsSync(lock) && utimesSync(lock, new Date(), new Date()), lockBeatMs);
  try {
    await work();
  } finally {
    clearInterval(beat);
    rmSync(lock, { force: true });
  }
}

function takeLock(lock) {
  try {
    writeFileSync(lock, '', { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  // Without a beat its holder was killed. (Its process id would not tell: in a container the next start has the same.)
  const touched = statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Infinity;
  if (Date.now() - touched > 10 * lockBeatMs) rmSync(lock, { force: true });
  return false;
}

async function build(node) {
  const code = await run(node, [inRoot('tools', 'build.mjs')], { env: childEnvironment({ BUILD_QUIET: '1' }) });
  if (code !== 0 && !stopping) throw new CannotStart('the sources do not compile; the message stands above');
}

/** npm runs scripts in the package's folder; a person's relative file name starts where the person is. */
function whereThePersonIs() {
  const { INIT_CWD } = process.env;
  return process.cwd() === root && INIT_CWD !== undefined && existsSync(INIT_CWD) ? INIT_CWD : process.cwd();
}

/** Side by side, each lane one after the other: linting takes about as long as all the rest. */
const checkLanes = [['check:lint'], ['check:types', 'check:format', 'check:boundaries', 'check:unused', 'test:unit']];

async function check() {
  const { scripts } = readJson(inRoot('package.json'));
  const failed = [];
  const began = performance.now();
  const lane = async (names) => {
    for (const name of names) {
      const started = performance.now();
      const code = await run('sh', ['-c', scripts[name]]);
      if (stopping) return;
      say(`${code === 0 ? 'ok    ' : 'FAILED'} ${name.replace(/^\w+:/, '').padEnd(11)} ${seconds(started)}`);
      if (code !== 0) failed.push(name);
    }
  };
  await Promise.all(checkLanes.map(lane));
  if (stopping) return exitCodeOf(stopping);
  say(failed.length === 0 ? `check passed in ${seconds(began)}` : `check failed: ${failed.join(', ')}`);
  return failed.length === 0 ? 0 : 1;
}

/**
 * Integration tests mostly wait, so unit tests run beside them and there are two workers more than the processors of a small
 * machine. End-to-end tests kill and stop processes and measure times: one file at a time.
 */
const suites = [
  { name: 'integration', projects: ['unit', 'integration'], jest: ['--maxWorkers=4'] },
  { name: 'e2e', projects: ['e2e'], jest: ['--runInBand'] },
];
const interop = [{ name: 'interop', projects: ['interop'], jest: ['--runInBand'] }];
/** Tests that say which servers they ran on, by how their files are called. */
const onServers = [
  [/\.it-spec\.ts$/, 'integration'],
  [/\.e2e-spec\.ts$/, 'end-to-end'],
  [/\.interop-spec\.ts$/, 'interoperation'],
];

async function runSuite(node, suite, workDirectory, args) {
  const report = join(workDirectory, `${suite.name}.json`);
  const description = join(workDirectory, `${suite.name}.infrastructure`);
  const env = childEnvironment({
    NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --experimental-vm-modules --no-warnings`.trim(),
    ENTENTE_DESCRIPTION_FILE: description,
  });
  const jest = [inRoot('node_modules', 'jest', 'bin', 'jest.js'), '--selectProjects', ...suite.projects, ...suite.jest];
  const code = await run(node, [...jest, '--passWithNoTests', '--json', `--outputFile=${report}`, ...args], {
    env,
    stdio: ['ignore', 'ignore', 2],
  });
  const counts = existsSync(report) ? readJson(report) : undefined;
  return {
    passed: counts?.numPassedTests ?? 0,
    // A file that could not be loaded has no tests to count, and is a failure all the same; so is a jest without a report.
    failed: counts ? counts.numFailedTests + counts.numRuntimeErrorTestSuites : Number(code !== 0),
    skipped: counts ? counts.numPendingTests + counts.numTodoTests : 0,
    files: counts?.testResults ?? [],
    on: existsSync(description) ? readFileSync(description, 'utf8') : undefined,
    ok: code === 0,
  };
}

/** How many tests of files called like this ran, passed or failed. */
const ranIn = (files, pattern) =>
  files
    .filter(({ name }) => pattern.test(name))
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === 'passed' || status === 'failed').length;

async function test(node, chosen, args) {
  const workDirectory = mkdtempSync(join(tmpdir(), 'entente-test-'));
  const began = performance.now();
  try {
    const all = [];
    for (const suite of chosen) {
      all.push(await runSuite(node, suite, workDirectory, args));
      if (stopping) return exitCodeOf(stopping);
    }
    const sum = (field) => all.reduce((total, result) => total + result[field], 0);
    const skipped = sum('skipped') > 0 ? `, ${sum('skipped')} skipped` : '';
    const servers = all.find(({ on }) => on !== undefined)?.on ?? 'no servers';
    const files = all.flatMap((result) => result.files);
    const ran = onServers
      .map(([pattern, label]) => [ranIn(files, pattern), label])
      .filter(([count]) => count > 0)
      .map(([count, label]) => `${count} ${label}`);
    say(`tests took ${seconds(began)}`);
    process.stdout.write(
      `${ran.length > 0 ? ran.join(' and ') : 'no such'} tests ran on ${servers}\n` +
        `${sum('passed')} passed, ${sum('failed')} failed${skipped}\n`,
    );
    return all.every((result) => result.ok) ? 0 : 1;
  } finally {
    rmSync(workDirectory, { recursive: true, force: true });
  }
}

async function main([command, ...args]) {
  let node;
  await alone(async () => {
    await install();
    if (stopping) return;
    node = findNode();
    await build(node);
  });
  if (stopping) return exitCodeOf(stopping);
  if (command === '--check') return check();
  if (command === '--test') return test(node, suites, args);
  if (command === '--interop') return test(node, interop, args);
  if (command === '--run') return run(node, args, { stdio: 'inherit' });
  const cli = inRoot('deploy', 'local', 'dist', 'cli', 'main.js');
  return run(node, [cli, ...(command === undefined ? [] : [command]), ...args], {
    cwd: whereThePersonIs(),
    // The channel carries nothing: its end tells the command that we are gone, however we ended.
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
}

endWithNpm();
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof CannotStart)) throw error;
  say(error.message);
  process.exitCode = 1;
}
