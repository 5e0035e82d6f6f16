import { jest } from '@jest/globals';

/** Real servers on a small, busy machine: a test may take this long before it counts as hung. Milliseconds. */
jest.setTimeout(60_000);
