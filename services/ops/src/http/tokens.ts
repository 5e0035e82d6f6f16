/** What seals the cursors of each list. */
export const opsCursors = Symbol('ops cursors');
/** The ops schema's pool. */
export const opsPool = Symbol('ops pool');
/** The service's configuration. */
export const opsConfig = Symbol('ops config');
/** The service's log. */
export const opsLog = Symbol('ops log');
/** What tells the alerts; null where none is named. */
export const opsAlertmanager = Symbol('ops alertmanager');
