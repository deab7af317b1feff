import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

/** How much script the first page may load, compressed. */
const FIRST_LOAD_BUDGET_BYTES = 120 * 1024;

/** The running server behind `npm run dev`: where `hearth serve` listens when nothing is configured, or another. */
const HEARTH = process.env['HEARTH_URL'] ?? 'https://localhost:8443';

/** Files that shrink when compressed. Pictures and fonts have their own compression. */
const COMPRESSIBLE = /\.(js|css|html|svg|json|webmanifest|txt)$/;

/** Writes a `.gz` and a `.br` beside each file, so that the server never compresses anything itself. */
function precompress(): Plugin {
  return {
    name: 'hearth-precompress',
    apply: 'build',
    async writeBundle(options) {
      const dir = options.dir ?? 'dist';
      const quality = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
      for (const name of await readdir(dir, { recursive: true })) {
        if (!COMPRESSIBLE.test(name)) continue;
        const path = join(dir, name);
        const content = await readFile(path);
        await writeFile(`${path}.gz`, gzipSync(content, { level: 9 }));
        await writeFile(`${path}.br`, brotliCompressSync(content, { params: quality }));
      }
    },
  };
}

/** Fails the build when the script that the first page needs outgrows its budget. */
function firstLoadBudget(): Plugin {
  return {
    name: 'hearth-first-load-budget',
    apply: 'build',
    generateBundle(_options, bundle) {
      let total = 0;
      const counted = new Set<string>();
      const count = (name: string): void => {
        const chunk = bundle[name];
        if (counted.has(name) || chunk?.type !== 'chunk') return;
        counted.add(name);
        total += gzipSync(chunk.code, { level: 9 }).length;
        chunk.imports.forEach(count);
      };
      for (const chunk of Object.values(bundle)) if (chunk.type === 'chunk' && chunk.isEntry) count(chunk.fileName);
      const sizes = `${(total / 1024).toFixed(1)} kB of ${FIRST_LOAD_BUDGET_BYTES / 1024} kB (gzip)`;
      if (total > FIRST_LOAD_BUDGET_BYTES) this.error(`the first page loads too much script: ${sizes}`);
      this.info(`first-load script: ${sizes}`);
    },
  };
}

export default defineConfig({
  base: '/',
  appType: 'spa',
  plugins: [precompress(), firstLoadBudget()],
  build: {
    outDir: 'dist',
    assetsDir: 'assets',
    emptyOutDir: true,
    sourcemap: false,
    target: 'es2022',
    // The content security policy forbids inline script and style, and `data:` for anything but pictures.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    // `npm run dev` beside a running `hearth serve`, which takes requests from its own origin only.
    proxy: {
      '/api': {
        target: HEARTH,
        changeOrigin: true,
        headers: { origin: new URL(HEARTH).origin },
        // Its certificate is self-made.
        secure: false,
        ws: true,
      },
    },
  },
  test: {
    include: ['src/**/*.test.ts', 'tests/unit/**/*.test.ts'],
    environment: 'node',
    restoreMocks: true,
  },
});
