/** Injection tokens of values that are no classes. */
export const controllerToken = Symbol('entente:controller');
export const exposuresToken = Symbol('entente:exposures');
export const embeddedExposuresToken = Symbol('entente:embedded-exposures');
