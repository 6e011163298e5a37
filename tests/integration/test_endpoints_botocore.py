# SPDX-License-Identifier: Apache-2.0
"""tally's endpoints compared with those of botocore: every region and partition of botocore, with
FIPS, dual-stack and the legacy STS setting. Newer ones are in the table of
tests/unit/test_endpoint.c."""

import itertools

import botocore.args
import botocore.loaders
import pytest
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointProviderError
from botocore.session import Session

from .aws_leaves import ask

LOADER = botocore.loaders.Loader()
PARTITIONS = LOADER.load_data("partitions")

# A name that only DynamoDB's rules have; for STS it is an ordinary region here.
LOCAL = "local"


def regions():
    """The regions of the partitions, those of the services' endpoint lists, and one unknown region
    for each partition."""
    found = {region for partition in PARTITIONS["partitions"] for region in partition["regions"]}
    session = Session()
    for service, partition in itertools.product(("dynamodb", "sts"),
                                                session.get_available_partitions()):
        found.update(session.get_available_regions(service, partition,
                                                   allow_non_regional=True))
    found.update(("us-north-7", "ap-middle-9", "cn-south-3", "us-gov-middle-2", "us-iso-middle-2",
                  "us-isob-middle-2"))
    return sorted(found - {LOCAL})


def provider(service, version):
    return EndpointProvider(
        LOADER.load_service_model(service, "endpoint-rule-set-1", version), PARTITIONS)


def by_botocore(rules, region, fips, **parameters):
    """["ok", URL, host, path, signing region], or None if botocore's data has no endpoint."""
    plain = region.replace("fips-", "").replace("-fips", "")  # as botocore.client does
    try:
        endpoint = rules.resolve_endpoint(Region=plain, UseFIPS=fips or plain != region,
                                          **parameters)
    except EndpointProviderError:
        return None
    schemes = endpoint.properties.get("authSchemes") or [{"signingRegion": plain}]
    url = endpoint.url.rstrip("/") + "/"
    return ["ok", url, url.split("/")[2], "/", schemes[0]["signingRegion"]]


def compare(questions, expected, least):
    compared = 0
    for question, answer, wanted in zip(questions, ask(questions), expected):
        if wanted is not None:
            assert answer == wanted, question
            compared += 1
    assert compared >= least


def settings(**chosen):
    return " ".join(name for name, value in chosen.items() if value)


def test_dynamodb():
    rules = provider("dynamodb", "2012-08-10")
    questions, expected = [], []
    for region, fips, dual in itertools.product(regions() + [LOCAL], (False, True), (False, True)):
        questions.append(["dynamodb", settings(fips=fips, dualstack=dual), region, None])
        expected.append(by_botocore(rules, region, fips, UseDualStack=dual))
    compare(questions, expected, 180)


def test_sts():
    rules = provider("sts", "2011-06-15")
    questions, expected = [], []
    for region, fips, dual, legacy in itertools.product(regions(), *[(False, True)] * 3):
        questions.append(["sts", settings(fips=fips, dualstack=dual, legacy=legacy), region])
        expected.append(by_botocore(rules, region, fips, UseDualStack=dual,
                                    UseGlobalEndpoint=legacy))
    compare(questions, expected, 360)


def test_the_legacy_regions_are_botocore_s():
    everywhere = regions()
    answers = ask([["sts", "legacy", region] for region in everywhere])
    ours = {region for region, answer in zip(everywhere, answers)
            if answer[2] == "sts.amazonaws.com"}
    assert ours == set(botocore.args.LEGACY_GLOBAL_STS_REGIONS)


@pytest.mark.parametrize("chosen", ["fips", "dualstack", "fips dualstack"])
def test_a_custom_endpoint_excludes_the_variants_as_in_botocore(chosen):
    rules = provider("dynamodb", "2012-08-10")
    with pytest.raises(EndpointProviderError):
        rules.resolve_endpoint(Region="eu-west-1", Endpoint="https://example.org",
                               UseFIPS="fips" in chosen, UseDualStack="dualstack" in chosen)
    [answer] = ask([["dynamodb", chosen, "eu-west-1", "https://example.org"]])
    assert answer[0] == "refused"
