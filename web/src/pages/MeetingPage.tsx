import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { useOwned, useUi } from '../components/context';
import type { Room } from '../state/room';
import { MeetingOver } from './MeetingOver';
import { MeetingView } from './MeetingView';
import { PreJoinView } from './PreJoinView';

/** Everything at `/m/<code>`: before, in and after the meeting. */
export function MeetingPage({ code }: { code: string }): JSX.Element {
  const [visit, setVisit] = useState(0);
  return <Visit key={visit} code={code} again={() => setVisit(visit + 1)} />;
}

function Visit({ code, again }: { code: string; again: () => void }): JSX.Element {
  const { app } = useUi();
  const preJoin = useOwned(() => app.newPreJoin(code));
  const room = useSignal<Room | null>(null);
  const here = useRef(true);
  useEffect(() => {
    here.current = true;
    return () => {
      here.current = false;
      room.peek()?.dispose();
    };
  }, []);
  const join = async (): Promise<void> => {
    const reply = await preJoin.join();
    if (here.current) room.value = app.newRoom(reply, preJoin.local, preJoin.name.peek().trim());
  };
  if (room.value === null) return <PreJoinView code={code} preJoin={preJoin} join={join} />;
  const phase = room.value.phase.value;
  switch (phase.kind) {
    case 'connecting':
    case 'inside':
    case 'reconnecting':
      return <MeetingView room={room.value} />;
    case 'left':
    case 'ended':
    case 'replaced':
    case 'failed':
      return <MeetingOver phase={phase} again={again} />;
  }
}
