import { testRelay } from './harness.ts';

/** A relay as a process of its own, for tests that stop or kill it: `relay-process.js <database url> <bootstrap>`. */
const [, , url, bootstrap] = process.argv;
if (url === undefined || bootstrap === undefined) throw new Error('usage: relay-process.js <database url> <bootstrap>');
const relay = testRelay(url, bootstrap.split(','));
relay.start();
setInterval(() => process.send?.(relay.state()), 50);
