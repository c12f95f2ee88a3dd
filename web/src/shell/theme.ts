import { createTheme, type MantineColorsTuple } from "@mantine/core";

const teal: MantineColorsTuple = ["#eef6f5", "#dcebe9", "#b6d6d2", "#8cc0ba", "#67ada6", "#4fa199", "#2f8078", "#1d6a65", "#17524f", "#0d3f3c"];

/** Only what the kit's own pieces (dialogs, menus, tooltips) need; all else is in styles/. */
export const theme = createTheme({
  fontFamily: "var(--sans)",
  fontFamilyMonospace: "var(--mono)",
  primaryColor: "teal",
  primaryShade: { light: 8, dark: 4 },
  colors: { teal },
  defaultRadius: 7,
  cursorType: "pointer",
  respectReducedMotion: true,
});
