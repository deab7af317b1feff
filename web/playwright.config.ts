import { defineConfig } from '@playwright/test';

// One worker, one test at a time: up to six browsers encode and decode video at once, and the machine may have two cores.
// Nothing is retried: a test that fails once in twenty runs tells something about the product.
export default defineConfig({
  testDir: 'tests/e2e',
  outputDir: 'test-results',
  workers: 1,
  retries: 0,
  timeout: 120_000,
  // As long as the tests wait elsewhere (PATIENCE_MS).
  expect: { timeout: 30_000 },
  forbidOnly: process.env['CI'] !== undefined,
  reporter: [['list']],
  use: { trace: 'off', video: 'off', screenshot: 'off' },
  projects: [
    { name: 'behaviour', testMatch: '*.spec.ts' },
    // Only within the network namespaces that tests/networks/run.sh makes.
    { name: 'networks', testMatch: 'networks.ts' },
    { name: 'screenshots', testMatch: 'screenshots.ts' },
    { name: 'figures', testMatch: 'figures.ts', timeout: 300_000 },
  ],
});
