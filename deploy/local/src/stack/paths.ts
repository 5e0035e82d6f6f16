import { fileURLToPath } from 'node:url';

/** The same from src/ and from dist/: both stand three folders below the root. */
const root = new URL('../../../../', import.meta.url);

/** Absolute path of a file of this repository. */
export const repositoryFile = (relative: string): string => fileURLToPath(new URL(relative, root));

/** File URL of a compiled module, for `import()`. */
export const builtFile = (relative: string): string => new URL(relative, root).href;
