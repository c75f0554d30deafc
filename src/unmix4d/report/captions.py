"""What is said about each figure: to those who see it, and to those who do not."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Caption:
    """``alt`` says what the picture shows, ``words`` how to read it; {n} and {k} are filled in."""

    alt: str
    words: str


CAPTIONS: Mapping[str, Caption] = MappingProxyType(
    {
        "summary": Caption(
            "Cluster map of {n} crystals beside the diffraction pattern of each, framed in its colour.",
            "Cluster map, and the pattern of each crystal in its colour. Light grey: no crystal.",
        ),
        "clusters": Caption(
            "Map of the scan in which the colour of every probe is its strongest crystal, with a legend of areas.",
            "The strongest crystal at every probe. Light grey: masked, dark, vacuum or background.",
        ),
        "crystals": Caption(
            "Diffraction patterns of {n} crystals.",
            "Pattern of each crystal, to the power 0.4 and with the direct beam saturated, to show weak spots.",
        ),
        "components": Caption(
            "All {k} component patterns with role and crystal.",
            "All {k} components, each headed by its number and crystal or role; same contrast as above.",
        ),
        "loss": Caption(
            "Curve of the loss over the number of components, with knee, range of interest and chosen k = {k}, and "
            "how far the starts agree.",
            "The loss stops falling at the knee; the k near it are the range of interest. Below, where "
            "fits from several starts were made: how alike the components are that the best of them come to. Where "
            "they differ, the data do not determine that many components.",
        ),
        "decision": Caption(
            "Bars of the numbers of crystals found, and curves over k: unexplained signal, number of crystals, "
            "held-out counts, signal-to-noise, distinctness by SSIM, GMSD and MDSI.",
            "Upper left: factorizations with more components than crystals are merged in several ways; bars "
            "say how many of them find each number, red is the answer. Upper right: the signal that stays "
            "unexplained; where it falls below the dotted line in one step, one more component was one more "
            "crystal. Held-out counts: the error of counts that the components have not seen, bars one standard "
            "error; it rises where components fit noise. Signal-to-noise: directions above the dotted line hold "
            "more than noise, one for each pattern and more where a crystal bends. Star: the k that a criterion "
            "prefers. Red line: the k that is kept. Below: what every criterion would choose; an arrow is a "
            "number beyond the sweep.",
        ),
        "matrices": Caption(
            "Matrices of SSIM, GMSD and MDSI between all pairs of the {k} components.",
            "How alike each two of the {k} components are. Bright in all three: distinct.",
        ),
        "overlap": Caption(
            "Map of the overlap levels over the cluster map in grey, with a legend of area shares.",
            "Where two crystals share a probe: ratio of the second to the first crystal's weight, over the cluster "
            "map in grey.",
        ),
        "overlap_colorblind": Caption(
            "The same overlap map in a sequential scale that is safe for colour-blind readers.",
            "The same levels, darker for more.",
        ),
        "ratio": Caption(
            "Map of the ratio of the second to the first crystal's weight, from 0 to 1.",
            "The ratio itself. Overlap far inside a grain hints at stacked crystals, or at one that was split.",
        ),
        "overlap_kinds": Caption(
            "Map of significant overlap in two colours, at boundaries and stacked, over the cluster map in grey.",
            "Where two crystals explain the counts significantly better than one. At a boundary the overlap is a "
            "band between both; stacked is anything else.",
        ),
        "fraction": Caption(
            "Map of the share of the second crystal, and map of half the width of its 95 % interval.",
            "Share of the second crystal in the Bragg counts of both where overlap is significant, 0 where not; "
            "and how sure it is, from the noise that was measured and from what patterns are off by.",
        ),
        "trajectory": Caption(
            "Line across a boundary in the cluster map, weights and share along it, and patterns at its points: "
            "measured, reconstruction, both parts and the residual.",
            "Along the line: Bragg counts of each crystal, share of the second, and at the numbered points the "
            "measured pattern, what the fit is the sum of, and what it leaves over. Only pixels outside of the "
            "direct beam are fitted. The number above each column is the share.",
        ),
        "unexplained": Caption(
            "Map of the probes that two crystals do not explain, and the mean pattern of what they leave over.",
            "Where a third crystal is significant, and where the residual of two is large without one: double "
            "diffraction, bending, or a crystal that was not found.",
        ),
        "weights": Caption(
            "Weight maps of all {k} components, on one scale and each on its own.",
            "Counts of each component at every probe. Light grey: not used.",
        ),
        "comparison": Caption(
            "Measured mean pattern, reconstruction, difference, own crystal, most typical and most atypical member "
            "of each cluster, with metrics.",
            "Measured mean, reconstruction and own crystal on one scale; members on their own. The reconstruction "
            "is what the model says for the cluster's probes as a whole: all components with their mean weights, "
            "direct beam and background included; the own crystal is a part of it. Red: more was measured. Members "
            "are single measured patterns, (y, x) on the scan, most and least like the reconstruction outside the "
            "direct beam. Below: metrics of each image against the measured mean.",
        ),
        "paper_beside": Caption(
            "Label map of the paper's procedure, our cluster map, and the probes whose labels do not match.",
            "The paper's procedure in its colours, background black; our answer; and, in red, the probes whose "
            "labels do not match.",
        ),
        "paper_loss": Caption(
            "Curve of the loss of the paper's sweep over the number of components, with knee and range.",
            "Fig. 3 of the paper, losses: one fit from a random start for each k. Its ups and downs are those of "
            "the starts.",
        ),
        "paper_matrices": Caption(
            "Matrices of SSIM, GMSD, MDSI and PSNR between the last nine components, their column means, and what "
            "other orders of the components would report.",
            "Fig. 3, matrices: each metric between the last nine components of one model. The number of the framed "
            "column, with the smallest mean SSIM or the largest of the others, is reported as k. Bars: what the "
            "same rule reports if the same components come in other orders, drawn at random. Colours end at the "
            "extremes off the diagonal.",
        ),
        "paper_clusters": Caption(
            "Label map of the paper's procedure with {paper_k} components in its own colours.",
            "Fig. 2 and 4, label maps: the strongest component at every probe, weights as the fit left them.",
        ),
        "paper_patterns": Caption(
            "Measured mean and component of each of the {paper_k} clusters, with metrics.",
            "Fig. 4, patterns: measured mean of each cluster beside its component where it weighs most, both as "
            "8-bit images, and the metrics between them.",
        ),
        "paper_overlap": Caption(
            "Overlap map of the paper's procedure in five colours on white.",
            "Fig. 5, overlap: where the second weight comes near the first.",
        ),
        "paper_weights": Caption(
            "Weight maps of all {paper_k} components of the paper's procedure on one scale.",
            "Fig. 5, weight maps: all components, scaled to 0 to 1 together.",
        ),
        "spots": Caption(
            "Six maps from the table of spots: direct beam, other spots, their number, prominence, noise and least "
            "prominence.",
            "From the table of spots, probe by probe: intensity of the direct beam (virtual bright field) and of "
            "all other spots, their number, how far they rise together, the noise in the corners of the pattern, "
            "and what a spot had to rise by.",
        ),
        "survey": Caption(
            "Maps of the total counts and of the counts outside the direct beam, and the mean pattern.",
            "Virtual images and the mean pattern, before any filter.",
        ),
    }
)
