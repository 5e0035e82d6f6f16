/** The ops schema's pool. */
export const opsPool = Symbol('ops pool');
