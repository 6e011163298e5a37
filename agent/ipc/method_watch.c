#include "agent/ipc/methods.h"

void method_watch_forget(struct session *session)
{
    (void)session;
}
