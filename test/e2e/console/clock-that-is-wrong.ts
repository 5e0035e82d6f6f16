import { existsSync } from 'node:fs';

/** Loaded into a service by `node --import`: while a file exists, that process's wall clock is ahead. */
const { searchParams } = new URL(import.meta.url);
const file = searchParams.get('while');
const aheadMs = Number(searchParams.get('aheadMs'));
if (file === null || !(aheadMs > 0)) throw new Error('clock-that-is-wrong.ts?while=PATH&aheadMs=NUMBER');

const right: () => number = Reflect.get(Date, 'now');
Date.now = () => right() + (existsSync(file) ? aheadMs : 0);
