/** The one schema of this service; nobody else reads its tables. */
export const CONSENT_SCHEMA = 'consent';
