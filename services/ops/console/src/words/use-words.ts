import { useLanguage, type Language } from '../settings.ts';
import { en, type Words } from './en.ts';
import { fr } from './fr.ts';

const dictionaries: Readonly<Record<Language, Words>> = { en, fr };

/** The texts in the language of the person. */
export const useWords = (): Words => dictionaries[useLanguage()];
