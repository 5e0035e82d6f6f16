import { recall } from './running.ts';

/** Stops what global-setup.ts started; given servers stay. */
export default async function globalTeardown(): Promise<void> {
  await recall()?.stop();
}
