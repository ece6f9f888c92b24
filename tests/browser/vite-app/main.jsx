// Views in StrictMode: React mounts each, takes it away, and mounts it again.

import { StrictMode, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { gateway } from "./gateway.js";
import { useClanChat } from "./useClanChat.ts";

function Chat({ id }) {
  const events = useClanChat(id);
  const said = events.filter((event) => event.type === "chat");
  return (
    <section aria-label={id}>
      <ol>{said.map((event) => <li key={event.messageId}>{event.content}</li>)}</ol>
      <button onClick={() => gateway.clanChat(id).send(`said in ${id}`)}>Say it in {id}</button>
    </section>
  );
}

function Inbox() {
  const [titles, setTitles] = useState([]);
  useEffect(() => {
    const off = new AbortController();
    gateway.notifications().subscribe({
      signal: off.signal,
      onNotification: async (n) => {
        setTitles((titles) => [...titles, n.title]);
        await n.ack();
      },
    });
    return () => off.abort();
  }, []);
  return <ul>{titles.map((title) => <li key={title}>{title}</li>)}</ul>;
}

function App() {
  const [clans, setClans] = useState(["wolves"]);
  return (
    <main>
      {clans.map((id) => <Chat key={id} id={id} />)}
      <Inbox />
      <button onClick={() => setClans(["wolves", "ravens"])}>Join the ravens</button>
    </main>
  );
}

createRoot(document.getElementById("root")).render(<StrictMode><App /></StrictMode>);
