import type { Infrastructure } from '@entente/local';

/** jest loads set-up and teardown as separate copies of their modules; what they share is the global object. */
const key = Symbol.for('entente.test-infrastructure');
const shared = globalThis as { [key]?: Infrastructure };

export const remember = (infrastructure: Infrastructure): void => {
  shared[key] = infrastructure;
};

export const recall = (): Infrastructure | undefined => shared[key];
