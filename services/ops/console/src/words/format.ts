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
  /** Without seconds, for axes. */
  hour(iso: string): string;
  moment(iso: string): string;
  /** The time alone for today, with its day before that. */
  recent(iso: string): string;
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
  const unit = (name: string, digits: number) => {
    const intl = new Intl.NumberFormat(locale, {
      style: 'unit',
      unit: name,
      unitDisplay: 'narrow',
      maximumFractionDigits: digits,
    });
    // “36 ms”, not “36ms”: a narrow space that does not break keeps number and unit apart and together.
    const spaced = (value: number): string =>
      intl
        .formatToParts(value)
        .map(({ type, value: text }) => (type === 'unit' ? `\u202f${text.trim()}` : type === 'literal' ? '' : text))
        .join('');
    return { format: spaced };
  };
  const clock = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
  const moment = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'long' });
  const hour = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' });
  const day = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' });
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
    hour: (iso) => hour.format(new Date(iso)),
    recent: (iso) => {
      const at = new Date(iso);
      const sameDay = at.toDateString() === new Date(performance.timeOrigin + performance.now()).toDateString();
      return sameDay ? clock.format(at) : `${day.format(at)}, ${clock.format(at)}`;
    },
    moment: (iso) => moment.format(new Date(iso)),
  };
}

export function useFormat(): Format {
  const language = useLanguage();
  return useMemo(() => formatFor(language), [language]);
}
