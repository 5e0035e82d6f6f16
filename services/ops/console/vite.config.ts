import { defineConfig } from 'vite';

/** Built into the ops service, which serves it at /console. JSX needs no plugin: Vite transforms it itself. */
export default defineConfig({
  root: import.meta.dirname,
  base: '/console/',
  oxc: { jsx: { runtime: 'automatic' } },
  build: {
    outDir: '../dist/console',
    emptyOutDir: true,
    // A policy without data: addresses is served with the page.
    assetsInlineLimit: 0,
    target: 'es2023',
    reportCompressedSize: false,
  },
});
