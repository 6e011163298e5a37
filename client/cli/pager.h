/* Shows long output of the command through a pager, as git and systemctl do. */
#ifndef TALLY_CLI_PAGER_H
#define TALLY_CLI_PAGER_H

/* Where standard output is a terminal, what follows goes through TALLY_PAGER, else PAGER, else
 * less, which ends by itself where all fits on the screen. "cat" or "" stands for none. */
void pager_begin(void);

/* Waits until the pager was left. */
void pager_end(void);

#endif
