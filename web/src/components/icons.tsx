import type { ComponentChildren, JSX } from 'preact';

/** Drawn on 24 × 24 with strokes of two. The words stand beside or on the button, so readers of the screen skip the drawing. */
function Icon({ children }: { children: ComponentChildren }): JSX.Element {
  return (
    <svg
      class="icon"
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="2"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {children}
    </svg>
  );
}

export const MicrophoneIcon = (): JSX.Element => (
  <Icon>
    <rect x="9" y="3" width="6" height="11" rx="3" />
    <path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3" />
  </Icon>
);

export const MicrophoneOffIcon = (): JSX.Element => (
  <Icon>
    <path d="M15 9.5V6a3 3 0 0 0-5.8-1M9 9v2a3 3 0 0 0 4.8 2.4" />
    <path d="M5.5 11.5a6.5 6.5 0 0 0 10.8 4.9M18.5 11.5c0 .8-.1 1.5-.4 2.2M12 18v3" />
    <path d="m4 4 16 16" />
  </Icon>
);

export const CameraIcon = (): JSX.Element => (
  <Icon>
    <rect x="2.5" y="6" width="13" height="12" rx="3" />
    <path d="m15.5 11 4.6-3.1a.9.9 0 0 1 1.4.8v6.6a.9.9 0 0 1-1.4.8L15.5 13" />
  </Icon>
);

export const CameraOffIcon = (): JSX.Element => (
  <Icon>
    <path d="M10 6h2.5a3 3 0 0 1 3 3v2l4.6-3.1a.9.9 0 0 1 1.4.8v6.6a.9.9 0 0 1-1.4.8l-1.3-.9M15.4 15.6A3 3 0 0 1 12.5 18h-7a3 3 0 0 1-3-3V9c0-1.3.8-2.4 2-2.8" />
    <path d="m4 4 16 16" />
  </Icon>
);

export const SpeakerIcon = (): JSX.Element => (
  <Icon>
    <path d="M4 10v4a1 1 0 0 0 1 1h3l4.3 3.6a.4.4 0 0 0 .7-.3V5.7a.4.4 0 0 0-.7-.3L8 9H5a1 1 0 0 0-1 1z" />
    <path d="M16.5 9a4.2 4.2 0 0 1 0 6M19 6.5a7.8 7.8 0 0 1 0 11" />
  </Icon>
);

export const ChatIcon = (): JSX.Element => (
  <Icon>
    <path d="M20.5 11.5c0 4-3.8 7-8.5 7-1 0-2-.1-2.9-.4L4.5 20l1.2-3.7A6.3 6.3 0 0 1 3.5 11.5c0-4 3.8-7 8.5-7s8.5 3 8.5 7z" />
    <path d="M8.5 10h7M8.5 13.5H13" />
  </Icon>
);

export const PeopleIcon = (): JSX.Element => (
  <Icon>
    <circle cx="9" cy="8.5" r="3.5" />
    <path d="M2.5 19.5c.4-3.3 3-5.5 6.5-5.5s6.1 2.2 6.5 5.5M15.5 5.4a3.3 3.3 0 0 1 0 6.2M18 14.6c2 .8 3.3 2.5 3.5 4.9" />
  </Icon>
);

export const LeaveIcon = (): JSX.Element => (
  <Icon>
    <path d="M3 14.8c-.6-.7-.5-1.9.2-2.7C5.4 9.8 8.5 8.5 12 8.5s6.6 1.3 8.8 3.6c.7.8.8 2 .2 2.7l-1 1.1c-.5.6-1.4.7-2 .2l-2-1.5a1.5 1.5 0 0 1-.6-1.2v-1.2a9.9 9.9 0 0 0-6.8 0v1.2c0 .5-.2.9-.6 1.2l-2 1.5c-.6.5-1.5.4-2-.2z" />
  </Icon>
);

export const MoreIcon = (): JSX.Element => (
  <Icon>
    <circle cx="5" cy="12" r="1" />
    <circle cx="12" cy="12" r="1" />
    <circle cx="19" cy="12" r="1" />
  </Icon>
);

export const ChevronIcon = (): JSX.Element => (
  <Icon>
    <path d="m6 9.5 6 6 6-6" />
  </Icon>
);

export const CloseIcon = (): JSX.Element => (
  <Icon>
    <path d="m6 6 12 12M18 6 6 18" />
  </Icon>
);

export const CopyIcon = (): JSX.Element => (
  <Icon>
    <rect x="9" y="9" width="11" height="11" rx="2.5" />
    <path d="M5.5 15A1.5 1.5 0 0 1 4 13.5v-7A2.5 2.5 0 0 1 6.5 4h7A1.5 1.5 0 0 1 15 5.5" />
  </Icon>
);

export const CheckIcon = (): JSX.Element => (
  <Icon>
    <path d="m5 12.5 4.5 4.5L19 7.5" />
  </Icon>
);

export const SendIcon = (): JSX.Element => (
  <Icon>
    <path d="M4.5 12h7M4.3 5.3l15 6.2a.5.5 0 0 1 0 1l-15 6.2a.5.5 0 0 1-.7-.6L5.5 12 3.6 5.9a.5.5 0 0 1 .7-.6z" />
  </Icon>
);

export const LockIcon = (): JSX.Element => (
  <Icon>
    <rect x="5" y="10.5" width="14" height="9.5" rx="2.5" />
    <path d="M8 10.5V8a4 4 0 0 1 8 0v2.5" />
  </Icon>
);

export const WarningIcon = (): JSX.Element => (
  <Icon>
    <path d="M10.7 4.7 3.3 17.6A1.5 1.5 0 0 0 4.6 20h14.8a1.5 1.5 0 0 0 1.3-2.4L13.3 4.7a1.5 1.5 0 0 0-2.6 0zM12 9.5v4M12 16.8v.1" />
  </Icon>
);

export const KeyboardIcon = (): JSX.Element => (
  <Icon>
    <rect x="2.5" y="6" width="19" height="12.5" rx="2.5" />
    <path d="M6.5 10h.1M10.2 10h.1M13.8 10h.1M17.5 10h.1M8 14.5h8" />
  </Icon>
);

export const SunIcon = (): JSX.Element => (
  <Icon>
    <circle cx="12" cy="12" r="4" />
    <path d="M12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4" />
  </Icon>
);

export const MoonIcon = (): JSX.Element => (
  <Icon>
    <path d="M20 14.2A8.3 8.3 0 0 1 9.8 4a.4.4 0 0 0-.5-.5 8.8 8.8 0 1 0 11.2 11.2.4.4 0 0 0-.5-.5z" />
  </Icon>
);

export const AutoIcon = (): JSX.Element => (
  <Icon>
    <circle cx="12" cy="12" r="8.5" />
    <path d="M12 3.5a8.5 8.5 0 0 1 0 17z" fill="currentColor" />
  </Icon>
);

/** The sign of the product: a small fire. */
export const Mark = (): JSX.Element => (
  <svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
    <rect width="32" height="32" rx="8" fill="#b3431c" />
    <path
      d="M16 5.5c.8 3.6-1.2 5.3-2.9 7.3-1.6 1.9-3.4 4-3.4 7a6.9 6.9 0 0 0 6.3 6.7 6.9 6.9 0 0 0 6.3-6.7c0-2.9-1.3-4.6-2.3-6.1-.2 1.6-.8 2.6-1.8 3.2.3-4-.2-8.5-2.2-11.4z"
      fill="#fff4e8"
    />
    <path d="M16 17.5c.4 1.8 2.6 2.5 2.6 5a2.7 2.7 0 0 1-2.6 2.8 2.7 2.7 0 0 1-2.6-2.8c0-2.3 2.1-3.1 2.6-5z" fill="#f0a35e" />
  </svg>
);
