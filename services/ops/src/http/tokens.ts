/** The ops schema's pool. */
export const opsPool = Symbol('ops pool');
/** The service's configuration. */
export const opsConfig = Symbol('ops config');
/** The service's log. */
export const opsLog = Symbol('ops log');
