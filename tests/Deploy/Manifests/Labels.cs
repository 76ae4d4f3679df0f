namespace Deploy.Manifests;

/// <summary>Whom a selector means.</summary>
internal static class Labels
{
    public static bool Selects(Item selector, Item pod)
    {
        var labels = pod.At("metadata/labels").Pairs();
        return selector.Pairs().All(pair => labels.GetValueOrDefault(pair.Key) == pair.Value);
    }

    /// <summary>The pods that <c>matchLabels</c> of a selector mean; all for an empty one.</summary>
    public static IReadOnlyList<Item> PodsOf(this Rendered rendered, Item matchLabels) =>
        [.. rendered.Pods().Select(pod => pod.Pod).Where(pod => Selects(matchLabels, pod))];

    public static IEnumerable<Item> Ports(Item pod) => pod.At("spec/containers").List.SelectMany(container => container["ports"].List);

    public static bool HasPort(Item pod, Item port) => Ports(pod).Any(one => one["name"].Text == port.Text || one["containerPort"].Text == port.Text);

    public static string Name(this Item item) => $"{item["kind"].Text} {item.At("metadata/name").Text}";
}
