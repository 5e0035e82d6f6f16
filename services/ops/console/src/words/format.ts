import { useMemo } from 'react';
import { useLanguage, type Language } from '../settings.ts';

interface Plural {
  readonly one: string;
  readonly other: string;
}

export interface Format {
  count(value: number): string;
  /** “3 withdrawals” */
  counted(value: number, unit: Plural): string;
  /** A span of time as people say it: two parts at most. */
  span(ms: number): string;
  clock(iso: string): string;
  moment(iso: string): string;
  percent(share: number): string;
}

/** Two units at most: nobody reads the seconds of three days. */
const steps = [
  { unit: 'day', ms: 86_400_000 },
  { unit: 'hour', ms: 3_600_000 },
  { unit: 'minute', ms: 60_000 },
  { unit: 'second', ms: 1_000 },
] as const;

export function formatFor(language: Language): Format {
  const locale = language === 'fr' ? 'fr-FR' : 'en-GB';
  const number = new Intl.NumberFormat(locale);
  const plural = new Intl.PluralRules(locale);
  const unit = (name: string, digits: number) =>
    new Intl.NumberFormat(locale, { style: 'unit', unit: name, unitDisplay: 'short', maximumFractionDigits: digits });
  const clock = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
  const moment = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'long' });
  const percent = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 1 });
  const count = (value: number): string => number.format(value);
  return {
    count,
    counted: (value, words) => `${count(value)} ${plural.select(value) === 'one' ? words.one : words.other}`,
    span: (ms) => {
      if (ms < 1_000) return unit('millisecond', 0).format(Math.max(0, Math.round(ms)));
      if (ms < 60_000) return unit('second', ms < 10_000 ? 1 : 0).format(ms / 1_000);
      const first = steps.findIndex((step) => ms >= step.ms);
      const [large, small] = [steps[first], steps[first + 1]];
      if (!large || !small) return unit('second', 0).format(ms / 1_000);
      const whole = Math.floor(ms / large.ms);
      const rest = Math.floor((ms - whole * large.ms) / small.ms);
      return [unit(large.unit, 0).format(whole), ...(rest > 0 ? [unit(small.unit, 0).format(rest)] : [])].join(' ');
    },
    clock: (iso) => clock.format(new Date(iso)),
    moment: (iso) => moment.format(new Date(iso)),
    percent: (share) => percent.format(share),
  };
}

export function useFormat(): Format {
  const language = useLanguage();
  return useMemo(() => formatFor(language), [language]);
}
