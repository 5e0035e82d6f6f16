import type { Scope } from '@entente/contracts';

/** What a signed-in person may do, each more than the one before. */
export const roles = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof roles)[number];

/** A role is a name for scopes: the API judges people and machines by the same ones. */
export const scopesOf: Readonly<Record<Role, readonly Scope[]>> = {
  viewer: ['ops:read'],
  operator: ['ops:read', 'ops:operate'],
  admin: ['ops:read', 'ops:operate', 'admin'],
};

/** @param claim as the provider gives it @returns the role that may do most, or null when none was given */
export function roleFrom(claim: unknown, mapping: Readonly<Record<string, string>>): Role | null {
  const given = new Set([claim].flat().flatMap((value) => (typeof value === 'string' ? [value] : [])));
  const held = [...given].flatMap((value) => (Object.hasOwn(mapping, value) ? [mapping[value]] : []));
  return roles.findLast((role) => held.includes(role)) ?? null;
}
