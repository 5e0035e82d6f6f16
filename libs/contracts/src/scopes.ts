/** Scopes by direction (standards.md Z-3): a token that may withdraw may do nothing else. */
export const scopes = [
  'consent:read',
  'consent:grant',
  'consent:withdraw',
  'consent:import',
  'share:write',
  'ops:read',
  'audit:read',
  'ops:operate',
  'admin',
] as const;
export type Scope = (typeof scopes)[number];
