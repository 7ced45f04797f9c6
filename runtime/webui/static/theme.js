// Sets the theme before anything is drawn: a module would run too late.
try {
  const t = localStorage.getItem('qwq.theme');
  if (t === 'light' || t === 'dark') document.documentElement.dataset.theme = t;
} catch { /* storage is forbidden: the system's theme stays */ }
