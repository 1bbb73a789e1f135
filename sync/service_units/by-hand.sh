#!/bin/sh
# contact-sync by hand: as the user of its service and with its secrets, for root.
# Written by `contact-sync install-service`.
exec systemd-run --quiet --collect --wait --pty --pipe --service-type=exec \
    --uid={{ at.user | shell }} --property=UMask=0077 \
{% if at.state_directory %}
    --property=StateDirectory={{ at.state_directory | shell }} --property=StateDirectoryMode=0700 \
{% endif %}
{% for name in credentials %}
    --property=LoadCredential={{ name }}:contact-sync.{{ name }} \
{% endfor %}
    -- {{ at.program | shell }} --config {{ at.configuration | shell }} "$@"
