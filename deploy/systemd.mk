# SPDX-License-Identifier: Apache-2.0
# The systemd part of `make install`: units, the group tally, the socket's folder. Afterwards, as root:
#   systemd-sysusers && systemd-tmpfiles --create && systemctl enable --now tallyd.socket
# and before `make uninstall`:
#   systemctl disable --now tallyd.socket tallyd.service
SYSTEMDDIR ?= $(PREFIX)/lib
SYSTEMD_FILES := $(SYSTEMDDIR)/systemd/system/tallyd.service $(SYSTEMDDIR)/systemd/system/tallyd.socket \
  $(SYSTEMDDIR)/systemd/system/tally-bridge.service \
  $(SYSTEMDDIR)/sysusers.d/tally.conf $(SYSTEMDDIR)/tmpfiles.d/tally.conf
OWN_FOLDERS += $(addprefix $(SYSTEMDDIR)/,systemd/system systemd sysusers.d tmpfiles.d)

install: install-systemd
remove-files: remove-systemd

.PHONY: install-systemd
install-systemd:
	$(INSTALL) -d $(addprefix $(DESTDIR),$(dir $(SYSTEMD_FILES)))
	for unit in tallyd tally-bridge; do \
	  sed -e 's|@SBINDIR@|$(SBINDIR)|' deploy/systemd/$$unit.service.in \
	  > $(DESTDIR)$(SYSTEMDDIR)/systemd/system/$$unit.service || exit 1; done
	$(INSTALL) -m 644 deploy/systemd/tallyd.socket $(DESTDIR)$(SYSTEMDDIR)/systemd/system/tallyd.socket
	$(INSTALL) -m 644 deploy/systemd/sysusers.conf $(DESTDIR)$(SYSTEMDDIR)/sysusers.d/tally.conf
	$(INSTALL) -m 644 deploy/systemd/tmpfiles.conf $(DESTDIR)$(SYSTEMDDIR)/tmpfiles.d/tally.conf

.PHONY: remove-systemd
remove-systemd:
	rm -f $(addprefix $(DESTDIR),$(SYSTEMD_FILES))
