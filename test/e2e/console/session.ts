import { AxeBuilder } from '@axe-core/playwright';
import { expect } from '@jest/globals';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { people, type ConsoleWorld, type PersonId } from './world.ts';

/** Every rule of WCAG 2.2 AA that axe knows. */
const everyRule = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
/** What light and width can change of a page that is right otherwise. */
export const looks = ['color-contrast', 'target-size'];

/** A browser that watches what it is shown: a blocked style, a failed script or a foreign address fails the test. */
export class ConsoleBrowser {
  /** Answers of the API that a test asks for are no complaints. */
  private readonly complaints: string[] = [];
  private readonly strangers = new Set<string>();
  private readonly contexts: BrowserContext[] = [];
  /** What the browser of each person keeps after signing in once. */
  private readonly kept = new Map<PersonId, Awaited<ReturnType<BrowserContext['storageState']>>>();

  constructor(
    private readonly browser: Browser,
    private readonly world: ConsoleWorld,
  ) {}

  async open(options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.browser.newContext({
      viewport: { width: 1280, height: 800 },
      locale: 'en-GB',
      ...options,
    });
    context.setDefaultTimeout(10_000);
    this.contexts.push(context);
    const page = await context.newPage();
    page.on('pageerror', (error) => this.complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
        this.complaints.push(message.text());
    });
    page.on('request', (request) => {
      const { origin } = new URL(request.url());
      if (origin !== this.world.url && origin !== this.world.issuerOrigin) this.strangers.add(origin);
    });
    return page;
  }

  async signIn(page: Page, id: PersonId, path = '/console/'): Promise<void> {
    const { password } = people.find((person) => person.id === id)!;
    await page.goto(this.world.url + path);
    await page.getByRole('link', { name: /^(Sign in|Se connecter)$/ }).click();
    await page.getByLabel('Name').fill(id);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in' }).click();
  }

  async inside(id: PersonId, path = '/console/', options: BrowserContextOptions = {}): Promise<Page> {
    const storageState = this.kept.get(id);
    const page = await this.open({ ...options, ...(storageState ? { storageState } : {}) });
    if (storageState) await page.goto(this.world.url + path);
    else await this.signIn(page, id, path);
    await page.getByRole('navigation').waitFor();
    this.kept.set(id, await page.context().storageState());
    return page;
  }

  forget(id?: PersonId): void {
    if (id === undefined) this.kept.clear();
    else this.kept.delete(id);
  }

  /** After each test. */
  async close(): Promise<void> {
    await Promise.all(this.contexts.splice(0).map((context) => context.close()));
    expect(this.complaints.splice(0)).toEqual([]);
    expect([...this.strangers]).toEqual([]);
  }
}

export const shows = (page: Page, text: RegExp | string): Promise<void> =>
  page.locator('.sentence').filter({ hasText: text }).waitFor({ timeout: 10_000 });

export const violations = async (page: Page, rules: string[] | null = null): Promise<string[]> =>
  (
    await (rules ? new AxeBuilder({ page }).withRules(rules) : new AxeBuilder({ page }).withTags(everyRule)).analyze()
  ).violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);

export const overflow = (page: Page): Promise<number> =>
  page.evaluate<number>('document.documentElement.scrollWidth - window.innerWidth');
