export { check } from './check.ts';
export { excerpt } from './excerpt.ts';
export * from './history.ts';
export { readHistory, writeHistory } from './history-file.ts';
export { isBroken, rules, type Rule, type Violation } from './violation.ts';
