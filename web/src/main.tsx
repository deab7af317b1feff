import './styles/index.css';
import { render } from 'preact';
import { Settings, storageOf } from './components/settings';
import { Root } from './pages/Root';
import { Router } from './router';
import { createApp } from './state/app';

const root = document.getElementById('app');
if (!root) throw new Error('index.html holds an element with the id "app"');

const app = createApp();
const router = new Router(window);
const settings = new Settings(storageOf(window), document.documentElement);
void app.session.start();
render(<Root ui={{ app, router, settings }} />, root);
