import { vocabulary } from './index';

/** The words of the pages for administrators that they share. Each page brings its own beside these. */
export const adminWords = {
  'admin.label': 'Administration',
  'admin.status': 'Status',
  'admin.settings': 'Settings',
  'admin.doctor': 'Doctor',
  'admin.notForYou': 'This page is for the administrators of this place.',
  'admin.signInFirst': 'This page is for the administrators of this place. Sign in with an administrator’s account to see it.',
} as const;

export const admin = vocabulary(adminWords);
