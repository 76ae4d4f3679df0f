using TorchSharp.Modules;
using static TorchSharp.torch;

namespace TorchSharp.ContractTests;

/// <summary>How modules find and name what they are made of.</summary>
public sealed class ModuleTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void Fields_are_registered_under_their_names()
    {
        using var net = new Net();
        net.named_parameters().Select(pair => pair.name).ShouldBe(
            ["bias", "first.scale", "blocks.0.scale", "blocks.1.scale", "added.scale"], ignoreOrder: true);
        net.named_buffers().Select(pair => pair.name).ShouldBe(["table"]);
        net.named_children().Select(pair => pair.name).ShouldBe(["first", "blocks", "added"], ignoreOrder: true);
        net.named_modules().Select(pair => pair.name).ShouldBe(
            ["first", "blocks", "added", "blocks.0", "blocks.1"], ignoreOrder: true);
        net.parameters().Count().ShouldBe(5);
        net.parameters(recurse: false).Count().ShouldBe(1);
        net.has_parameter("blocks.1.scale").ShouldBeTrue();
        net.has_parameter("blocks.2.scale").ShouldBeFalse();
        net.get_parameter("first.scale")!.requires_grad.ShouldBeTrue();
        net.get_buffer("table")!.requires_grad.ShouldBeFalse();
        net.GetName().ShouldBe("Net");
    }

    [Fact]
    public void A_parameter_in_two_places_is_listed_once()
    {
        var shared = new Parameter(ones(1));
        using var tied = new Tied(shared);
        tied.named_parameters().Select(pair => pair.name).ShouldBe(["a.scale"]);
        tied.state_dict().Keys.ShouldBe(["a.scale", "b.scale"], ignoreOrder: true);
    }

    [Fact]
    public void Forward_is_called_with_call_and_gradients_reach_the_parameters()
    {
        using var net = new Net();
        var y = net.call(ones(2));
        y.ShouldHold(24, 24);
        net.forward(ones(2)).ShouldHold(24, 24);
        y.sum().backward();
        net.get_parameter("first.scale")!.grad.ShouldNotBeNull();
        net.zero_grad();
        net.get_parameter("first.scale")!.grad.ShouldBeNull();
        new Add().call(ones(1), ones(1)).ShouldHold(2);
        new AddMore().call(ones(1), ones(1), ones(1), 2).ShouldHold(6);
    }

    [Fact]
    public void Training_mode_goes_down_the_tree()
    {
        using var net = new Net();
        net.training.ShouldBeTrue();
        net.eval();
        net.training.ShouldBeFalse();
        net.modules().All(module => !module.training).ShouldBeTrue();
        net.train();
        net.modules().All(module => module.training).ShouldBeTrue();
    }

    [Fact]
    public void A_state_dict_shares_the_parameters_and_can_be_loaded()
    {
        using var net = new Net();
        using var other = new Net();
        var state = net.state_dict();
        state.Keys.ShouldBe(["bias", "table", "first.scale", "blocks.0.scale", "blocks.1.scale", "added.scale"],
            ignoreOrder: true);
        using (no_grad())
        {
            state["first.scale"].fill_(9);
        }
        net.get_parameter("first.scale")!.ShouldHold(9);
        var (missing, unexpected) = other.load_state_dict(state);
        missing.ShouldBeEmpty();
        unexpected.ShouldBeEmpty();
        other.get_parameter("first.scale")!.ShouldHold(9);
        state.Remove("bias");
        Should.Throw<InvalidOperationException>(() => other.load_state_dict(state));
        other.load_state_dict(state, strict: false).missing_keys.ShouldBe(["bias"]);
    }

    [Fact]
    public void To_converts_parameters_and_floating_point_buffers()
    {
        using var net = new Net();
        net.to(ScalarType.Float64).ShouldBeSameAs(net);
        net.parameters().All(p => p.dtype == ScalarType.Float64 && p.requires_grad && p.is_leaf).ShouldBeTrue();
        net.get_buffer("table")!.dtype.ShouldBe(ScalarType.Float64);
        net.call(ones(2, dtype: float64)).ShouldHold(24, 24);
        net.to(CPU).call(ones(2, dtype: float64)).ShouldHold(24, 24);
    }

    [Fact]
    public void Disposing_a_module_disposes_all_of_it()
    {
        var net = new Net();
        var parameters = net.parameters().ToList();
        net.Dispose();
        parameters.All(parameter => parameter.IsInvalid).ShouldBeTrue();
        net.Dispose();
    }

    [Fact]
    public void Names_are_checked()
    {
        using var net = new Net();
        Should.Throw<ArgumentException>(() => net.register_module("a.b", new Block()));
        Should.Throw<ArgumentException>(() => net.register_module("", new Block()));
        Should.Throw<InvalidOperationException>(() => net.register_module("first", new Block()));
        Should.Throw<InvalidOperationException>(() => net.register_parameter("bias", new Parameter(ones(1))));
        Should.Throw<InvalidOperationException>(() => net.register_buffer("table", ones(1)));
        Should.Throw<ArgumentNullException>(() => net.register_parameter("none", null!));
    }

    [Fact]
    public void A_buffer_that_does_not_persist_is_in_no_list()
    {
        using var net = new Net();
        net.register_buffer("scratch", ones(1), persistent: false);
        net.state_dict().ShouldNotContainKey("scratch");
        net.get_buffer("scratch").ShouldNotBeNull();
    }

    [Fact]
    public void Layers_compute_what_their_functions_do()
    {
        manual_seed(1);
        using var linear = nn.Linear(3, 2);
        linear.named_parameters().Select(pair => pair.name).ShouldBe(["weight", "bias"], ignoreOrder: true);
        linear.weight.shape.ShouldBe([2, 3]);
        linear.weight.abs().max().item<float>().ShouldBeLessThanOrEqualTo((float)(1 / Math.Sqrt(3)));
        var x = rand(4, 3);
        linear.call(x).allclose(nn.functional.linear(x, linear.weight, linear.bias)).ShouldBeTrue();
        nn.Linear(3, 2, hasBias: false).bias.ShouldBeNull();

        using var norm = nn.LayerNorm(3);
        norm.call(x).allclose(nn.functional.layer_norm(x, [3])).ShouldBeTrue();
        norm.weight.ShouldHold(1, 1, 1);
        norm.bias!.ShouldHold(0, 0, 0);

        using var dropout = nn.Dropout(0.5);
        dropout.eval();
        dropout.call(x).Equals(x).ShouldBeTrue();
    }

    [Fact]
    public void Gradients_are_clipped_to_a_common_norm()
    {
        using var net = new Net();
        var parameters = net.parameters().ToList();
        foreach (var parameter in parameters)
        {
            parameter.grad = ones_like(parameter) * 2;
        }
        double count = parameters.Sum(parameter => parameter.numel());
        nn.utils.clip_grad_norm_(parameters, 1).ShouldBe(2 * Math.Sqrt(count), 1e-6);
        Math.Sqrt(parameters.Sum(p => p.grad!.square().sum().ToDouble())).ShouldBe(1, 1e-5);
        nn.utils.clip_grad_norm_(parameters, 5).ShouldBe(1, 1e-5);
        Math.Sqrt(parameters.Sum(p => p.grad!.square().sum().ToDouble())).ShouldBe(1, 1e-5);
    }

    // A field's name is the component's.
#pragma warning disable IDE1006
    private sealed class Block : nn.Module<Tensor, Tensor>
    {
        private readonly Parameter scale;

        public Block(Parameter? scale = null)
            : base(nameof(Block))
        {
            this.scale = scale ?? new Parameter(full(1, 2f));
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => input * scale;
    }

    private sealed class Net : nn.Module<Tensor, Tensor>
    {
        private readonly Block first = new();
        private readonly ModuleList<Block> blocks = new(new Block(), new Block());
        private readonly Parameter bias = new(ones(1));
        private readonly Tensor table = ones(1);
        private readonly int number = 1;

        public Net()
            : base(nameof(Net))
        {
            RegisterComponents();
            register_module("added", new Block());
        }

        public override Tensor forward(Tensor input)
        {
            var x = first.call(input);
            foreach (var block in blocks)
            {
                x = block.call(x);
            }
            // The conversions of this class go through the registry, so the fields must follow.
            x = (x + bias + table + number) * 2;
            return x + number - 1 + 2;
        }
    }

    private sealed class Tied : nn.Module<Tensor, Tensor>
    {
        private readonly Block a;
        private readonly Block b;

        public Tied(Parameter shared)
            : base(nameof(Tied))
        {
            a = new Block(shared);
            b = new Block(shared);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => b.call(a.call(input));
    }

#pragma warning restore IDE1006

    private sealed class Add() : nn.Module<Tensor, Tensor, Tensor>(nameof(Add))
    {
        public override Tensor forward(Tensor input1, Tensor input2) => input1 + input2;
    }

    private sealed class AddMore() : nn.Module<Tensor, Tensor, Tensor, int, Tensor>(nameof(AddMore))
    {
        public override Tensor forward(Tensor input1, Tensor input2, Tensor input3, int input4) =>
            (input1 + input2 + input3) * input4;
    }
}
