// The documented front end in React 19, in StrictMode.

import { frontEnd, hotReload } from "./front-ends.js";

frontEnd("React 19");
hotReload("React 19", "Chat.tsx");
